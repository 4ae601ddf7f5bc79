cdef class Request:
    cdef public object _codec
    cdef public object action
    cdef public object blob
    cdef public object client_id
    cdef public object msg
    cdef public object peer
    cdef public object seq


cdef class Dispatch:
    pass
