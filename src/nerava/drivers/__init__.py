"""Drivers: the people who charge, earn and redeem."""
