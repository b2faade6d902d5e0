"""Going on with a training: by `restore`, or by itself."""
