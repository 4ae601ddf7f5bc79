cimport cython

from razorg.core.method cimport Method


cpdef object value_of(Method method, outcome)


@cython.final
cdef class BlockingCall:
    cdef public Method method
    cdef public object outcome
    cdef public object seq
    cdef public object frame
    cdef public double deadline
    cdef public double timeout
    cdef public object _run_callback
    cdef public object _switch
    cdef public object _wake
    cpdef object settle(self, outcome)
