"""A stand-in for Amazon: sellers, consent, tokens, orders and reports on one local port.

It is its own process (`python -m connector.simulator`), needs the standard library only, and no room of the
product imports it. Sellers and their refresh tokens are listed in `partners`, what can be made to go wrong in
`faults`, how a test steers it in `control`.
"""
