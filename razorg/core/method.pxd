from razorg.core.figures cimport Figures


cdef class Method:
    cdef readonly object name
    cdef readonly tuple action
    cdef readonly object decode_error
    cdef readonly object decode_value
    cdef readonly object make_reply
    cdef readonly object timeout
    cdef readonly object idempotent
    cdef readonly object retry_limit
    cdef readonly Figures figures
