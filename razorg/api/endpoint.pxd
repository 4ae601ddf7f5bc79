cdef class Endpoint:
    cdef public object _caller
    cdef public object _spec
    cdef public object _method
    cdef public object _timeout
    cdef public Py_ssize_t _count
    cdef public bint _takes_one
    cdef public object _encode
    cdef public object _encode_bytes
    cdef public object _call
    cdef public object _submit
