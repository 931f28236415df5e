package slacktest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

func (s *Server) uploadURL(r *http.Request) answer {
	n, err := strconv.Atoi(r.Form.Get("length"))
	if err != nil || n < 1 || r.Form.Get("filename") == "" {
		return no("invalid_arguments")
	}
	if len([]rune(r.Form.Get("alt_txt"))) > 1000 {
		return no("alt_txt_too_large")
	}
	f := &File{ID: fmt.Sprintf("F%06d", len(s.files)+1), Name: r.Form.Get("filename"), Alt: r.Form.Get("alt_txt")}
	s.files[f.ID] = f
	s.fileOrder = append(s.fileOrder, f.ID)
	return answer{"ok": true, "upload_url": base(r) + "/upload/" + f.ID + "?token=uploadtokennnnn", "file_id": f.ID}
}

func (s *Server) upload(w http.ResponseWriter, r *http.Request, id string) {
	content := []byte(nil)
	file, _, err := r.FormFile("file")
	if err == nil {
		content, err = io.ReadAll(file)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls["upload"]++
	if f, ok := s.nextFault("upload"); ok {
		f.write(w)
		return
	}
	f := s.files[id]
	if err != nil || f == nil || r.URL.Query().Get("token") != "uploadtokennnnn" {
		http.Error(w, "no such upload", http.StatusBadRequest)
		return
	}
	f.Content = content
	_, _ = io.WriteString(w, "OK - "+strconv.Itoa(len(content)))
}

func (s *Server) completeUpload(r *http.Request) answer {
	var list []struct{ ID, Title string }
	if err := json.Unmarshal([]byte(r.Form.Get("files")), &list); err != nil || len(list) == 0 {
		return no("invalid_arguments")
	}
	channel, thread := r.Form.Get("channel_id"), r.Form.Get("thread_ts")
	if channel != "" {
		if a, ok := s.reach(channel); !ok {
			return a
		}
	}
	out := []answer{}
	for _, l := range list {
		f := s.files[l.ID]
		if f == nil || len(f.Content) == 0 {
			return no("file_not_found")
		}
		f.Title, f.complete = l.Title, true
		if channel != "" {
			f.Shared = append(f.Shared, channel+"/"+thread)
		}
		out = append(out, answer{"id": f.ID, "title": f.Title})
	}
	return answer{"ok": true, "files": out}
}

func (s *Server) fileInfo(r *http.Request) answer {
	f := s.files[r.Form.Get("file")]
	if f == nil || f.Deleted {
		return no("file_not_found")
	}
	f.asked++
	mime := ""
	if f.complete && f.asked > s.slow {
		mime = "image/png"
	}
	return answer{"ok": true, "file": answer{"id": f.ID, "name": f.Name, "mimetype": mime}}
}

func (s *Server) fileDelete(r *http.Request) answer {
	f := s.files[r.Form.Get("file")]
	if f == nil || f.Deleted {
		return no("file_not_found")
	}
	f.Deleted = true
	return answer{"ok": true}
}
