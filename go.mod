module depeer

go 1.26
