"""The arcade: the game server that the dynamic supervisor tutorial leaves unfinished, made real.

Read it in this order: rules (the game), game (one process a game), seat (one process a socket), web (the server),
bots (who plays), stats (what is counted), arcade (the tree that holds it all), view (what you see).
"""
