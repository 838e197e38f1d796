"""What a study says: its file, its domains, its points, where its folders lie."""
