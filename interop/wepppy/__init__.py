"""A small stand-in of ours for WEPPcloud's package of this name, for these tests only. It holds none of WEPPcloud's code."""
