from razorg.codec.base cimport Codec


cdef class MsgpackCodec(Codec):
    cdef public object _packer
    cpdef object encode(self, value)
