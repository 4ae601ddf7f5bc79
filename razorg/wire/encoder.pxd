cimport cython


cpdef object request_frame(tuple action, seq, client_id, msg, blob)
cpdef object response_frame(seq, msg, blob=*)
cpdef object number_frame(seq, number)
cpdef object error_frame(seq, bytes error)
