"""Frames, and the loop that answers them."""

import io
import threading

import numpy as np
import pytest

from plumbline_torch.errors import PlumbError
from plumbline_torch.framing import Frame, ProtocolError, Writer, encode, read_frame
from plumbline_torch.server import serve


def bytes_of(frame: Frame) -> bytes:
    return b"".join(encode(frame))


def test_a_frame_is_read_as_it_was_written():
    arrays = [np.array([1.5, -0.0], np.float32), np.zeros(0, np.int32), np.array([[2**32 - 1]], np.uint32)]
    found = read_frame(io.BytesIO(bytes_of(Frame({"id": 1, "text": "ä😀"}, arrays))))
    assert found is not None
    assert found.header == {"id": 1, "text": "ä😀"}
    for ours, theirs in zip(found.arrays, arrays, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_stream_that_ends_within_a_frame_is_refused(cut):
    data = bytes_of(Frame({"id": 1}, [np.zeros(8, np.float32)]))
    with pytest.raises(ProtocolError):
        read_frame(io.BytesIO(data[:-cut]))


def test_requests_are_answered_in_order_and_errors_keep_their_codes():
    def handle(method, params, arrays):
        if method == "refuse":
            raise PlumbError("PLUMB_TORCH_TEST", "Not today.", "here")
        if method == "fail":
            raise ValueError("a bug\nin two lines")
        return {"method": method, **params}, arrays

    requests = [("echo", [np.arange(3, dtype=np.int32)]), ("refuse", []), ("fail", []), ("leave", [])]
    source = io.BytesIO(b"".join(bytes_of(Frame({"id": i, "method": m, "params": {"x": i}}, a)) for i, (m, a) in enumerate(requests)))
    target = io.BytesIO()
    serve(source, Writer(target), handle, leave=lambda code: None)
    target.seek(0)
    answers = [frame for frame in iter(lambda: read_frame(target), None) if "beat" not in frame.header]
    assert answers[0].header == {"id": 0, "result": {"method": "echo", "x": 0}}
    np.testing.assert_array_equal(answers[0].arrays[0], np.arange(3))
    assert answers[1].header["error"] == {"code": "PLUMB_TORCH_TEST", "message": "Not today.", "where": "here"}
    assert answers[2].header["error"]["code"] == "PLUMB_TORCH_FAILED"
    assert answers[2].header["error"]["message"] == "PyTorch's side failed with ValueError: a bug"
    assert "Traceback" in answers[2].header["error"]["traceback"]


def test_the_end_of_the_input_ends_the_process_in_the_middle_of_a_computation():
    left = threading.Event()
    release = threading.Event()

    def handle(method, params, arrays):
        release.wait(10)
        return None, []

    source = io.BytesIO(bytes_of(Frame({"id": 0, "method": "compute"})))
    server = threading.Thread(target=serve, args=(source, Writer(io.BytesIO()), handle, lambda code: left.set()), daemon=True)
    server.start()
    assert left.wait(5)
    assert server.is_alive()  # it was still computing
    release.set()
