cdef class Outbox:
    cdef public object _channel
    cdef public list _open
    cdef public Py_ssize_t _batches_put
    cdef public Py_ssize_t _batches_written
    cdef public Py_ssize_t _unwanted
    cdef public object _written
    cdef public bint is_closed
    cpdef object put(self, item)
    cpdef object unwanted(self)
    cpdef object take(self)
    cpdef object wrote(self)
    cpdef object close(self)
