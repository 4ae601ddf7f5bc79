cimport cython

from razorg.client.calls cimport BlockingCall
from razorg.client.endings cimport StreamEndings
from razorg.core.method cimport Method


cdef class StreamBeginnings(StreamEndings):
    @cython.locals(call=BlockingCall, seconds=double)
    cpdef object call(self, Method method, msg, blob, timeout, double since)
    @cython.locals(seconds=double)
    cpdef object start(self, call, msg, blob, timeout, double since)
    cdef object _admit(self, Method method, msg, blob, double since, double seconds, bint is_exact)
    cdef object _launch(self, call, frame)
    cdef object _write_at_once(self, call, frame)
