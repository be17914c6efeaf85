"""The state of NumPy's global generator, taken and put back in microseconds.

np.random.get_state() and set_state() copy its 624 words one by one, which takes 50 us each way: as long as all else that a
view of the user's costs.
"""

import ctypes
from typing import Any

import numpy as np

__all__ = ["put_back_numpy_state", "take_numpy_state"]

_WORDS = 624
_BYTES = 4 * (_WORDS + 1)  # NumPy's mt19937_state: the words, and a position in them


def take_numpy_state() -> Any:
    """The state, for put_back_numpy_state(); the generator itself may have gone on."""
    address = _find_state()
    if not address:
        return np.random.get_state()
    state = ctypes.string_at(address, _BYTES)
    # Normal numbers come in pairs: where the second one of a pair is left, it is given without a draw.
    number = np.random.standard_normal()
    if ctypes.string_at(address, _BYTES) != state:
        return state
    words = np.frombuffer(state, np.uint32)
    return "MT19937", words[:_WORDS], int(words[_WORDS]), 1, number


def put_back_numpy_state(state: Any) -> None:
    address = _find_state()
    if isinstance(state, bytes) and address:
        np.random.seed(0)  # leaves no second number
        ctypes.memmove(address, state, _BYTES)
    else:
        np.random.set_state(state)


_found = (None, 0)  # the bit generator, and where its state lies


def _find_state() -> int:
    """0 where it does not lie as expected."""
    global _found
    generator = np.random.mtrand._rand._bit_generator
    if generator is not _found[0]:
        address = 0
        if isinstance(generator, np.random.MT19937):
            place = generator.ctypes.state_address
            words = np.frombuffer(ctypes.string_at(place, _BYTES), np.uint32)
            state = np.random.get_state()
            address = place if np.array_equal(words, [*state[1], state[2]]) else 0
        _found = generator, address
    return _found[1]
