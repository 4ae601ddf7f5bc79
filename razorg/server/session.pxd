from razorg.server.session_answers cimport SessionAnswers


cdef class Session(SessionAnswers):
    cdef public object _admission
    cdef public object codec
    cdef public object seldom
    cdef public object _dispatch
    cdef public bint _has_inline
    cdef public object _dispatch_handle
    cdef public object _copy_context
    cdef public object writer
    cdef public object read_requests
    cdef object _take(self, fields)
    cpdef object run_backlog(self)
    cdef object _handle(self, fields)
