"""What a village center adds: its policy and its pages."""
