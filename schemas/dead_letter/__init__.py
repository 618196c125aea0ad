"""Dead letters of every process: their record, headers, reader, writer, options and replay markers."""
