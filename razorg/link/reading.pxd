from razorg.wire.parser cimport FrameParser


cdef class FrameReader:
    cdef public object _conn
    cdef public FrameParser _parser
    cdef public object _acknowledge
    cdef public bint _is_stopped
    cdef public bint _is_reading
    cdef public bint _has_more
    cdef public Py_ssize_t _backlog_bytes
    cdef public object _frame_since
    cdef public object _frame_bytes
    cdef public object last_piece_at
    cpdef object read(self)
    cdef object _read(self)
    cdef object _portion(self)
    cdef object _note_progress(self, has_frames, is_drained)
