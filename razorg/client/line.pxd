cdef class _Waiting:
    cdef public object greenlet
    cdef public object hub
    cdef public double deadline
    cdef public object given
    cpdef object serve(self, given)
    cpdef object send_away(self, error)
