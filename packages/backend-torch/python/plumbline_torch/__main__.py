"""`python -m plumbline_torch`: serves one Node process until its end of the pipe closes."""

from plumbline_torch.server import main

if __name__ == "__main__":
    main()
