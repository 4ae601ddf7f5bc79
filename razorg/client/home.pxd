from razorg.client.routed cimport RoutedCalls


cdef class HomeCalls:
    cdef public object config
    cdef public RoutedCalls _home
    cdef public object _home_hub
    cpdef object call_method(self, method, msg, timeout)
    cpdef object submit_method(self, method, msg, timeout)
