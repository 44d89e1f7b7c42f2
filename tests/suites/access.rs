//! Access: every operation of the API has a row in the matrix, and the server keeps to it.
