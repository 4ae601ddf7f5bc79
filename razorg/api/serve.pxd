cimport cython

from razorg.core.figures cimport Figures
from razorg.server.dispatch cimport Dispatch
from razorg.server.session cimport Session


cdef class _Handler:
    cdef public object decode
    cdef public object encode
    cdef public object encode_bytes
    cdef public object errors
    cdef public Figures figures
    cdef public object function
    cdef public bint inline
    cdef public Py_ssize_t max_msg_bytes
    cdef public bint takes_array
    cdef public bint takes_one


cdef class ServiceDispatch(Dispatch):
    cdef public object _max_msg_bytes
    cdef public object _interceptors
    cdef public object _other
    cdef public dict _handlers
    cdef public dict _specs
    cdef public object inline
    @cython.locals(handler=_Handler)
    cpdef object handle(self, session, fields)


cdef object _handle_counted(_Handler handler, Figures figures, object session, tuple fields)
cdef object _run(_Handler handler, object session, tuple fields)
