"""What a county center adds: its policy and its pages."""
