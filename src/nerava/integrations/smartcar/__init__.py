"""Smartcar: cars of people who agreed, read over its third interface, or its second for older consents."""
