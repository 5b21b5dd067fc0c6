"""What a township center adds: its policy and its pages."""
