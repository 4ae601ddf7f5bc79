cdef class Share:
    cdef public object origin
    cdef public Py_ssize_t connections
    cdef public Py_ssize_t max_running
    cdef public Py_ssize_t max_unwritten_bytes


cdef class Quotas:
    cdef public object _config
    cdef public dict _shares
    cdef public object _seldom
