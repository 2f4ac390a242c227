import pytest

from gateway.core.tensors import Tensor

ROUND_TRIPS = [
    ("INT32", (1, 3), [1, -2, 2**31 - 1]),
    ("UINT64", (1,), [2**64 - 1]),
    ("FP32", (2,), [0.5, -1.0]),
    ("BOOL", (1, 1), [True]),
    ("FP16", (1,), [1.5]),
    ("INT64", (0,), []),
]


@pytest.mark.parametrize(("datatype", "shape", "values"), ROUND_TRIPS, ids=[row[0] for row in ROUND_TRIPS])
def test_numbers_come_back(datatype: str, shape: tuple[int, ...], values: list[float]) -> None:
    assert list(Tensor.of("x", datatype, shape, values).numbers()) == values


def test_strings_come_back() -> None:
    values = ["聪".encode(), b"", b"\xff"]
    assert Tensor.of_bytes("x", (3,), values).strings() == tuple(values)


@pytest.mark.parametrize(
    ("datatype", "shape", "values", "message"),
    [
        ("INT32", (2,), [1], "do not fill"),
        ("INT32", (1,), [2**31], "does not fit INT32"),
        ("UINT64", (1,), [-1], "does not fit UINT64"),
        ("BF16", (1,), [1.0], "does not fit BF16"),
    ],
    ids=["count", "too-large", "negative", "no-such-code"],
)
def test_values_that_do_not_fit(datatype: str, shape: tuple[int, ...], values: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tensor.of("x", datatype, shape, values)


@pytest.mark.parametrize(
    "tensor",
    [
        Tensor("x", "INT32", (2,), b"\0\0\0\0"),
        Tensor("x", "INT32", (-1,), b""),
        Tensor("x", "BYTES", (1,), b"\0\0\0\0"),
    ],
    ids=["short", "negative-shape", "strings"],
)
def test_malformed_numbers(tensor: Tensor) -> None:
    with pytest.raises(ValueError, match="bytes are no"):
        tensor.numbers()


@pytest.mark.parametrize("data", [b"\1\0", b"\5\0\0\0abc", b"\xff\xff\xff\xff"], ids=["length", "element", "hostile"])
def test_malformed_strings(data: bytes) -> None:
    with pytest.raises(ValueError, match="cut off"):
        Tensor("x", "BYTES", (1,), data).strings()
