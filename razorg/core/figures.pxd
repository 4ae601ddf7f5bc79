cdef class Figures:
    cdef public object action
    cdef public object calls
    cdef public object running
    cdef public object retries
    cdef public double seconds
    cdef public dict errors
    cdef public list buckets
    cpdef object ended(self, double seconds)
