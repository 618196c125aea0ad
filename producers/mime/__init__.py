"""The parts of a mail: headers, bodies and files, out of bytes of any quality. Pure."""
