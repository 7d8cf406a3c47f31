"""Hardware in the loop: real kernel sockets, and a board between them."""
