package web

// SetRoom sets how many bytes of what was told are kept for readers that are behind.
func (s *Server) SetRoom(bytes int) { s.hub.room = bytes }
