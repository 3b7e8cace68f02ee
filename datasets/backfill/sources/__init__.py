"""What Amazon is asked for, a module for each kind: pages, reports that it builds, and files that people upload in their stead."""
