cdef class InFlight(dict):
    cdef public object next_seq
    cpdef object take_seq(self)
    cpdef object register(self, call)
