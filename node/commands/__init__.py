"""What the commands do; ``node.cli`` says how they are called and loads each when it is called."""
