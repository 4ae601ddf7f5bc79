from razorg.link.outbox cimport Outbox
from razorg.link.reading cimport FrameReader
from razorg.link.writing cimport FrameWriter
from razorg.server.quotas cimport Share
from razorg.wire.parser cimport RequestParser


cdef class SessionAnswers:
    cdef object __weakref__
    cdef public object peer
    cdef public Share share
    cdef public object config
    cdef public object _conn
    cdef public object _workers
    cdef public object _hub
    cdef public RequestParser _parser
    cdef public FrameReader _reader
    cdef public FrameWriter _writer
    cdef public Outbox _outbox
    cdef public object _backlog
    cdef public bint _worker_is_coming
    cdef public Py_ssize_t _unanswered
    cdef public Py_ssize_t _unwritten_bytes
    cdef public bint _awaits_answers
    cdef public object _answered
    cdef public object _written
    cdef public Py_ssize_t _owed
    cdef public object _late
    cdef public bint _is_dead
    cdef public object _heard_at
    cpdef object answer(self, frame)
    cdef object _note_answered(self, frame)
    cdef object _write_at_once(self, frame)
    cdef object _put(self, frame)
    cpdef object run_backlog(self)
    cdef object _wake_worker(self)
