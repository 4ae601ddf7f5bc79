from razorg.core.inflight cimport InFlight
from razorg.link.outbox cimport Outbox
from razorg.link.reading cimport FrameReader


cdef class StreamEndings:
    cdef object __weakref__
    cdef public object config
    cdef public object codec
    cdef public object address
    cdef public object _conn
    cdef public bint is_closed
    cdef public object opened_at
    cdef public object last_response_at
    cdef public double last_call_at
    cdef public object _error
    cdef public bint _is_closing
    cdef public double _task_timeout
    cdef public object _client_id
    cdef public Py_ssize_t _max_msg_bytes
    cdef public object _hub
    cdef public object _run_callback
    cdef public object _pause
    cdef public object _window
    cdef public object is_full
    cdef public object _line
    cdef public object line
    cdef public object meter
    cdef public object on_lost
    cdef public InFlight _in_flight
    cdef public dict _pings
    cdef public set _tasks
    cdef public object _channels
    cdef public Outbox _outbox
    cdef public object _drained
    cdef public FrameReader _reader
    cdef public object _writer
    cdef public object _ticker
    cdef object _settle(self, seq, outcome)
    cpdef object received(self, frames)
    cpdef object cancel(self, call, error)
