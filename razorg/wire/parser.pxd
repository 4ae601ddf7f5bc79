cimport cython


cdef class FrameParser:
    cdef public object _limits
    cdef public bytearray _tail
    cdef public Py_ssize_t _head_bytes
    cdef public Py_ssize_t _needed
    cdef public object _body
    cdef public tuple _body_head
    cdef public object _refused
    cdef public object error
    cdef public Py_ssize_t _proven_bytes
    cdef public Py_ssize_t frame_bytes
    cpdef object room(self)
    cpdef object filled(self, count)
    cpdef object feed(self, data)
    cpdef object _scan(self, data, frames)


cdef class RequestParser(FrameParser):
    @cython.locals(
        position=Py_ssize_t, end=Py_ssize_t, body=Py_ssize_t, stop=Py_ssize_t, msg_at=Py_ssize_t,
        blob_at=Py_ssize_t, name_len=Py_ssize_t, msg_len=Py_ssize_t, blob_len=Py_ssize_t,
        max_name=Py_ssize_t, max_msg=Py_ssize_t, max_blob=Py_ssize_t,
        magic=long, ver=long, has_name=bint,
    )
    cpdef object _scan(self, data, frames)


cdef class ResponseParser(FrameParser):
    @cython.locals(
        position=Py_ssize_t, end=Py_ssize_t, body=Py_ssize_t, stop=Py_ssize_t, blob_at=Py_ssize_t,
        msg_len=Py_ssize_t, blob_len=Py_ssize_t, max_msg=Py_ssize_t, max_blob=Py_ssize_t,
        magic=long, ver=long, flag=long,
    )
    cpdef object _scan(self, data, frames)
