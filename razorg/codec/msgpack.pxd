from razorg.codec.base cimport Codec


cdef class MsgpackCodec(Codec):
    cdef public object _take
    cdef public object _give_back
    cpdef object encode(self, value)
