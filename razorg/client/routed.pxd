cimport cython

from razorg.client.beginnings cimport StreamBeginnings
from razorg.client.upkeep cimport Upkeep


cdef class RoutedCalls:
    cdef object __weakref__
    cdef public object config
    cdef public object codec
    cdef public object is_abandoned
    cdef public object travelling
    cdef public Upkeep only_place
    cdef public object _hub
    cdef public object _channels
    @cython.locals(place=Upkeep, stream=StreamBeginnings)
    cpdef object call_method(self, method, msg, timeout)
    cpdef object submit_method(self, method, msg, timeout)
    @cython.locals(place=Upkeep, stream=StreamBeginnings)
    cpdef object _send(self, call, msg, blob, timeout)
