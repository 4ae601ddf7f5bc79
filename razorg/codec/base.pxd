cdef class Codec:
    pass
