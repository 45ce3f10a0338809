"""The command `new`: a starter study."""
