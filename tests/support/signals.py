"""The stack on which this thread's signals are handled.

A library that replaces the main thread's and unmaps its own later (OpenVINO's CPU plugin does, when it is loaded there)
lets the next signal kill the process: that of pytest-timeout ended whole test runs without a word.
"""

from __future__ import annotations

import ctypes


class SignalStack(ctypes.Structure):
    """C's ``stack_t``."""

    _fields_ = (("address", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))

    @classmethod
    def current(cls) -> SignalStack:
        stack = cls()
        assert _libc.sigaltstack(None, ctypes.byref(stack)) == 0
        return stack

    def restore(self) -> None:
        assert _libc.sigaltstack(ctypes.byref(self), None) == 0


_libc = ctypes.CDLL(None)
