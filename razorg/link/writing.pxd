cimport cython


cdef class FrameWriter:
    cdef public object _conn
    cdef public object _blocked_since
    cdef public object _blocked_bytes
    cdef public object last_progress_at
    cdef public object unsent_frames
    @cython.locals(total=Py_ssize_t, size=Py_ssize_t, chunk=list)
    cpdef object write(self, frames)
