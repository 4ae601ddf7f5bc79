from razorg.link.writing cimport FrameWriter


cdef class BatchWriter(FrameWriter):
    cdef public list _taken
