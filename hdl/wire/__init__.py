"""Wire formats, declared once as plain data: gateware, host and documentation read them from here.

Standard library only. `map_hash` covers every declaration; the board reports it in a register and the host refuses
a board whose hash differs.
"""
