"""Ledgers (台账): what offices keep in Excel, written from the cases of this center and read into them."""
