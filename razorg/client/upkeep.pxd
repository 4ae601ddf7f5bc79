from razorg.client.beginnings cimport StreamBeginnings


cdef class Upkeep:
    cdef object __weakref__
    cdef public object address
    cdef public StreamBeginnings current
    cdef public object line
    cdef public object is_healthy
    cdef public object is_closed
    cdef public object shares_time
    cdef public object meter
    cdef public object _where
    cdef public object _config
    cdef public dict _streams
    cdef public object _patience
    cdef public object _attempt_since
    cdef public object _failure
    cdef public object opened_count
    cdef public object lost_count
    cdef public object _unproven
    cdef public object _backoff
    cdef public object _pending
    cdef public object _hub
    cdef public object _ticker
