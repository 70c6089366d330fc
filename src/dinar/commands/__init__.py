"""What can be typed after `dinar`: a file a group of commands; each imports what is heavy only when it runs."""
